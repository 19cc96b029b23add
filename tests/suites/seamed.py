"""A plugin of pytest: runs whatever it runs with our seams in trio, without a recorder."""

from __future__ import annotations

import replay

replay.install_trio()
