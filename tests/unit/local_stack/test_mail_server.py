"""The local mail server keeps the newest mails."""

from aiosmtpd.smtp import Envelope

from shopnow.local_stack import mail_server


def test_the_oldest_mails_are_dropped(tmp_path, monkeypatch):
    monkeypatch.setattr(mail_server, "MAX_MAILS", 2)
    mails = []
    for number in range(4):
        envelope = Envelope()
        envelope.content = f"Subject: {number}\r\n\r\n".encode()
        mails.append(mail_server.store_mail(tmp_path, envelope))
    assert sorted(tmp_path.iterdir()) == mails[2:]
