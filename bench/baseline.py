"""The script that this tool replaces: it sends one request after the other and checks nothing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SECRET = b"dev-persona-seed-secret-rotate-in-prod"
PERSONAS = "/api/v1/admin/personas"


def main(what: str, catalog: str, url: str, token: str) -> None:
    split = urlsplit(url)
    connection = http.client.HTTPConnection(split.hostname or "", split.port)

    def call(method: str, path: str, body: object = None) -> Any:
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            sys.exit(f"HTTP {answer.status}")
        return json.loads(text)

    if what == "cleanup":
        for persona in call("GET", PERSONAS)["personas"]:
            call("DELETE", f"{PERSONAS}/{persona['userId']}")
        return
    for persona in json.loads(Path(catalog).read_text(encoding="utf-8"))["personas"]:
        call("POST", PERSONAS, {**persona, "password": derive(persona["email"])})


def derive(email: str) -> str:
    digest = hmac.new(SECRET, email.encode(), hashlib.sha256).digest()
    return re.sub("[^A-Za-z0-9]", "", base64.b64encode(digest).decode())[:32]


if __name__ == "__main__":
    main(*sys.argv[1:])
