"""Keys shared before, instead of certificates; both sides, and a side that refuses."""
import ssl
import sys

server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
client.check_hostname = False
client.verify_mode = ssl.CERT_NONE
for context in (server, client):
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("PSK")
table = {"client one": bytes.fromhex("c0ffee")}


def of_client(hint):
    print("hint", hint)
    return "client one", table["client one"]


def of_server(identity):
    print("identity", identity)
    return table[identity]


def meet():
    bios = [ssl.MemoryBIO() for _ in range(4)]
    one = client.wrap_bio(bios[0], bios[1], server_hostname="localhost")
    other = server.wrap_bio(bios[2], bios[3], server_side=True)
    for _ in range(3):
        for name, tls, output, there in (("client", one, bios[1], bios[2]), ("server", other, bios[3], bios[0])):
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError as error:
                print(name, error.reason)
            there.write(output.read())
    print(one.version(), one.cipher())


sys.unraisablehook = lambda given: print("unraisable:", repr(given.exc_value))
server.set_psk_server_callback(of_server, "a hint")
client.set_psk_client_callback(of_client)
meet()
table.clear()
meet()
client.set_psk_client_callback(lambda hint: ("nobody", b"123"))
meet()
client.set_psk_client_callback(None)
meet()
