"""Three SMTP servers that keep what they get. Prints their ports: without TLS; with STARTTLS and a login, which both
must be used; with TLS from the start. Serves until it is killed.

The argument is a folder with cert.pem and key.pem. The n-th mail becomes N.json there, taken apart by Python's own
parser. The login is "ann" with "pa:ss". A mailbox named no-one is refused for good, one named later for now.
"""
import asyncio
import email
import email.policy
import json
import logging
import pathlib
import ssl
import sys
import warnings

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

FOLDER = pathlib.Path(sys.argv[1])


def texts(message):
    return {kind: part.get_content().replace("\r\n", "\n")
            for kind in ("plain", "html") if (part := message.get_body((kind,)))}


def names(message, field):
    return [[address.display_name, address.addr_spec] for address in message[field].addresses] if message[field] else []


class Keeper:
    """Tells its mails by numbers, whichever server they come to."""

    def __init__(self):
        self.count = 0

    async def handle_RCPT(self, _server, _session, envelope, address, _options):
        if address.startswith("no-one@"):
            return "550 no such mailbox"
        if address.startswith("later@"):
            return "451 not now"
        if address.startswith("slow@"):
            await asyncio.sleep(60)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        parts = list(message.walk())
        self.count += 1
        done = FOLDER / f"{self.count}.tmp"
        done.write_text(json.dumps({
            "sender": envelope.mail_from, "recipients": envelope.rcpt_tos, "peer": session.peer[1],
            "tls": session.ssl is not None, "login": session.authenticated, "type": message.get_content_type(),
            "from": names(message, "From"), "to": names(message, "To"), "cc": names(message, "Cc"),
            "bcc": names(message, "Bcc"), "reply_to": names(message, "Reply-To"), "subject": message["Subject"],
            "id": message["Message-ID"], "date": message["Date"].datetime.isoformat(),
            "list": message["List-Unsubscribe"],
            "files": [[part.get_filename(), part.get_content_type(), part.get_content().hex()
                       if isinstance(part.get_content(), bytes) else part.get_content()]
                      for part in message.iter_attachments()],
            "longest": max(map(len, envelope.content.split(b"\r\n"))), "ascii": envelope.content.isascii(),
            "bare": b"\n" in envelope.content.replace(b"\r\n", b""),
            "defects": [str(defect) for part in parts for defect in part.defects], **texts(message)}))
        done.rename(FOLDER / f"{self.count}.json")
        return "250 kept"


def authenticate(_server, _session, _envelope, _mechanism, data):
    known = isinstance(data, LoginPassword) and data == LoginPassword(b"ann", b"pa:ss")
    return AuthResult(success=known, handled=False)


async def main():
    logging.disable()  # of clients that go away, which is what the tests are about
    warnings.simplefilter("ignore")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(FOLDER / "cert.pem", FOLDER / "key.pem")
    keeper = Keeper()
    loop = asyncio.get_running_loop()

    def plain():
        return SMTP(keeper, hostname="localhost", data_size_limit=1 << 26)

    def secured():
        return SMTP(keeper, hostname="localhost", tls_context=tls, require_starttls=True, auth_required=True,
                    authenticator=authenticate, data_size_limit=1 << 26)

    servers = [await loop.create_server(plain, "127.0.0.1", 0), await loop.create_server(secured, "127.0.0.1", 0),
               await loop.create_server(plain, "127.0.0.1", 0, ssl=tls)]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
