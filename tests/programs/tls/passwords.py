"""Keys that are locked, and what is asked for their password."""
import os
import ssl

CERT, LOCKED = "cert.pem", "locked.pem"


def passwords():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    asked = []

    def refuse():
        print("refusing")
        raise LookupError("no password here")

    for password in (
        "open sesame", b"open sesame", "wrong", lambda: "open sesame", lambda: asked.append(os.getpid()) or b"wrong", refuse,
        lambda: None, lambda: 1 / 0, "x" * 5000,
    ):
        try:
            print(context.load_cert_chain(CERT, LOCKED, password))
        except Exception as error:
            print(type(error), error, error.__traceback__.tb_next and error.__traceback__.tb_next.tb_frame.f_code.co_name)
    print(len(asked), asked == [os.getpid()])


passwords()
