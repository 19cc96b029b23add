"""Help: each command's entry, the list of them, pages about topics."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Final

from replay.cli.repl.command import Command, Result
from replay.cli.repl.state import State
from replay.cli.text import pad
from replay.errors import UsageError

TOPICS: Final[dict[str, tuple[str, str]]] = {
    "positions": (
        "how places in a run are written",
        """\
A run is a sequence of steps: turns of tasks and callbacks. A position is a place between or in them.

  @7        just before step 7: all steps before it are done
  @7.2      inside step 7, after 2 line events (lines, returns, exceptions)
  #41       the event of index 41; as a position, the step it belongs to
  start     before anything of the program has run
  end       where the run ended
  failure   where the exception was raised that ended the run
  +50 -50   so many steps from here
  50%       half of the run
  t=1.5ms   what ran at this time since the recording began; ns, us, ms, s
  NAME      a bookmark

What `when`, the prompt, `events` and `timeline` print, `goto` takes.""",
    ),
    "reverse": (
        "going back",
        """\
Each motion has a reverse, with gdb's names; `rev CMD` does any motion backwards.

  step    s     reverse-step    rs      next    n     reverse-next    rn
  finish  fin   reverse-finish  rf      step-any sa   reverse-step-any rsa
  tcont   tc    rtcont          rtc     continue c    reverse-continue rc
  +             -

`step` and `reverse-step` undo each other, so do `+` and `-`. `back` returns to where you were before the last
motion, whatever it was. At the start of the recording they stay where they are, and say so.

Going back runs the replay again from a checkpoint: the program does not notice, and the state at a position
does not depend on how you came there.""",
    ),
    "async": (
        "following tasks",
        """\
`step`, `next` and `finish` stay with the task whose code it is: when it awaits, they go on where this task
goes on, and `next` says what ran meanwhile. To see what the others do:

  tasks         all tasks, as they are here; `next` is the step in which one runs next
  task T        one task; T is an id (T2, 2), a name, or how one name begins
  task T CMD    look at a task: where, locals, p EXPR, list; `task all where`
  select T      look at a task from now on, until one moves; alone: at the next one
  why T         what a task waits for, who holds it, what can end the wait
  why ready T   what woke it: a timer, a descriptor, whoever set a result; or woke it last
  why cancelled T   who asked it to cancel, and through what: a timeout, a task group, gather; of trio, which
                scope, and why
  cause         why this runs, back to its origin: who woke it, who woke them; also `cause #N`, `cause @7`
  await T       the chain of awaits of a task, through the tasks that it waits for
  tree          which task waits for which; `tree --by spawn`: which made which
  ctx T         its context variables
  ready         what could run here; `choices`: the steps at which others were ready, too
  tcont T       go on to where a task runs next; `rtcont T` back to where it ran last
  step-any      the next line, whoever runs
  + and -       step by scheduler step
  timeline      who ran when""",
    ),
    "stops": (
        "where to stop, and what to do there",
        """\
`continue` goes on to the next stop, `reverse-continue` back to the last one: to the same places.

  break FILE:LINE      before a line; LINE, of this file; . is this line
  break FUNCTION       before the first line of a function, `async def` too
  break await:PLACE    before an await in a line or function, if it then suspends its task
  break task:NAME      before each step of a task
  break event:KIND     where an event of the recording is answered: `event:socket`, `event:signal`; the
                       line whose code asked for it, or the step. `events` shows the kinds
  break exc:TYPE       where an exception is raised, though it may be caught
  break cancel         where somebody cancels a task that has not ended; `cancel:NAME`, this one. Where it
                       then arrives is `exc:CancelledError`. Tasks of trio are cancelled by the scopes that
                       they are in: `why cancelled T`, and `exc:Cancelled`
  watch EXPR           before the line, or the step, that changes the value of an expression: of a global name
                       whoever changes it; of a local one in this frame, and in later calls by this task
  last EXPR            back to the last change, at once

`PLACE, if EXPR` stops only where that is true. `tbreak` stops once. `breakpoints` lists them with their
numbers, for `clear`, `disable`, `enable`, `condition`, `ignore` and `commands`.

  commands 1           the lines that follow, up to `end`, are run where stop 1 is met
  p balance            (`commands 1 CMD` is one command). If they go on to another stop, its commands
  continue             are run instead of what is left of these.
  end""",
    ),
    "output": (
        "searching, shortening and keeping what a command prints",
        """\
  CMD | grep RE     only lines in which a regular expression is found; `grep -v RE` the others
  CMD | head N      the first N lines
  CMD > FILE        into a file; `>> FILE` at its end

`>` after a command that takes an expression is Python's; there, write `p x | head 100 > FILE`. Long output is
shown by the page on a terminal (unless `set pager off`), by $PAGER if that is set.""",
    ),
    "scripts": (
        "commands from files, pipes and the command line",
        """\
  replay debug FILE -ex CMD -ex CMD --batch     run commands, end
  replay debug FILE -x SCRIPT                   run the commands of a file first
  replay debug FILE < SCRIPT                    commands from a pipe
  --json                                        one JSON object for each command

A line that begins with # is a comment. A script of -x or `source` ends at the first command that fails. So do
the -ex of a --batch, unless --keep-going is there; commands from a pipe, or before a prompt, go on.
`assert EXPR` fails unless an expression is true, so a script can be a test of a recording.
Exit codes: 0 fine, 1 a command failed, 2 called wrongly, 3 the replay diverged, 4 the recording cannot be
read.""",
    ),
    "keys": (
        "keys on a terminal",
        """\
  F1 help         F2 tasks       F3 tree         F4 timeline
  F5 continue     F6 select      F7 step         F8 next        F9 break .
  Shift-F5        reverse-continue
  Shift-F7        reverse-step   Shift-F8        reverse-next
  Alt-Left        back           Alt-Right       forward
  Tab completes, Ctrl-R searches the history, Ctrl-X Ctrl-E opens an editor
  Ctrl-C ends a long motion where it is, Ctrl-D the session

Each key has a command. An empty line does the last motion again.""",
    ),
}


def titles(command: Command) -> str:
    """Return the names of a command, as the list has them."""
    return ", ".join([command.name, *command.short])


def entry(state: State, command: Command) -> list[str]:
    """Return all there is to say about a command."""
    style = state.style
    short = f"   ({', '.join(command.short)})" if command.short else ""
    lines = [f"{style('heading', command.synopsis)}{style('dim', short)}", f"  {command.summary}"]
    if command.needs_replay and not state.can_replay:
        lines.append(f"  {style('hint', 'not here: the recording cannot be replayed')}")
    lines.append(f"{style('dim', 'examples:')}  {'      '.join(command.examples)}")
    if command.see:
        lines.append(f"{style('dim', 'see also:')}  {', '.join(command.see)}")
    return lines


def _help(state: State, text: str) -> Result:
    from replay.cli.repl.table import COMMANDS, find

    if not text:
        return Result(_overview(state, COMMANDS), {"commands": [one.name for one in COMMANDS]})
    if text in TOPICS:
        return Result(
            [state.style("heading", f"{text}: {TOPICS[text][0]}"), "", *TOPICS[text][1].split("\n")]
        )
    command = find(text)
    if command is None and text in state.aliases:
        return Result([f"{text} = {state.aliases[text]}"])
    if command is None:
        known = [*TOPICS, *(name for one in COMMANDS for name in (one.name, *one.short))]
        near = get_close_matches(text, known, n=1)
        raise UsageError(
            f"no help on {text!r:.60}",
            hint=f"did you mean `{near[0]}`?" if near else f"`apropos {text}` searches",
        )
    data = {
        "name": command.name,
        "short": list(command.short),
        "synopsis": command.synopsis,
        "summary": command.summary,
        "examples": list(command.examples),
        "see": list(command.see),
    }
    return Result(entry(state, command), data)


def _overview(state: State, commands: tuple[Command, ...]) -> list[str]:
    style = state.style
    columns = max(len(titles(one)) for one in commands)
    lines: list[str] = []
    for group in dict.fromkeys(one.group for one in commands):
        lines += ["", style("heading", group)] if lines else [style("heading", group)]
        lines += [
            f"  {style('name', pad(titles(one), columns))}  {one.summary}"
            for one in commands
            if one.group == group
        ]
    lines += ["", style("heading", "topics")]
    lines += [f"  {style('name', pad(name, columns))}  {what}" for name, (what, _) in TOPICS.items()]
    lines += ["", "`help NAME` tells more. What is no command is run as Python, in a copy of the process."]
    return lines


def _apropos(state: State, text: str) -> Result:
    from replay.cli.repl.table import COMMANDS

    if not text:
        raise UsageError("`apropos` takes a word")
    word = text.lower()
    lines = [
        f"{state.style('name', one.name)}  {one.summary}"
        for one in COMMANDS
        if word in " ".join((titles(one), one.synopsis, one.summary)).lower()
    ]
    lines += [
        f"{state.style('name', f'help {name}')}  {what}"
        for name, (what, page) in TOPICS.items()
        if word in f"{name} {what} {page}".lower()
    ]
    return Result(lines or [f"nothing about {text!r:.60}"])


COMMANDS: Final = (
    Command(
        "help",
        "session",
        "help [COMMAND | TOPIC]",
        "Tell about a command, or a topic; alone: list them all",
        ("help goto", "h positions"),
        ("apropos",),
        _help,
        ("h", "?"),
        "topic",
    ),
    Command(
        "apropos",
        "session",
        "apropos WORD",
        "Search the help",
        ("apropos back", "apropos json"),
        ("help",),
        _apropos,
    ),
)
