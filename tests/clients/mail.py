"""A real mail server (aiosmtpd) that offers STARTTLS and takes mail only after it and a login.

Arguments: folder, port, user, password, and how it is: `new` has an authority of its own, `again` the one of before, `echo` refuses
every login and repeats what it was told. The root certificate is FOLDER/ca.pem. Prints `ready`, then one line of JSON for each mail.
"""
import base64
import email
import email.header
import json
import ssl
import sys
import time

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

folder, port, user, password, how = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5]

if how == "again":
    with open(f"{folder}/ca.pem", "rb") as cert, open(f"{folder}/ca.key", "rb") as key:
        authority = trustme.CA.from_pem(cert.read(), key.read())
else:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(f"{folder}/ca.pem")
    authority.private_key_pem.write_to_path(f"{folder}/ca.key")
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)


def login(server, session, envelope, mechanism, data):
    # A refusal that is not "handled" is answered by aiosmtpd itself.
    if how == "echo":
        plain = base64.b64encode(b"\0" + data.login + b"\0" + data.password).decode()
        word = base64.b64encode(data.password).decode()
        # Where a line is cut after so many characters, half of a secret is left.
        padding = "x" * (110 - len("535 5.7.8 "))
        return AuthResult(
            success=False, handled=False, message=f"535 5.7.8 {padding} {data.password.decode()} {word} {plain}"
        )
    sound = data.login == user.encode() and data.password == password.encode()
    return AuthResult(success=sound, handled=False)


class Box:
    async def handle_DATA(self, server, session, envelope):
        content = email.message_from_bytes(envelope.content)
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "encrypted": session.ssl is not None,
            "subject": str(email.header.make_header(email.header.decode_header(content["Subject"]))),
            "text": content.get_payload(decode=True).decode(),
        }
        print(json.dumps(mail), flush=True)
        return "250 taken"


Controller(
    Box(),
    hostname="127.0.0.1",
    port=port,
    tls_context=context,
    require_starttls=True,
    authenticator=login,
    auth_required=True,
    auth_require_tls=True,
).start()
print("ready", flush=True)
while True:
    time.sleep(3600)
