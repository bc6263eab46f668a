#!/usr/bin/env python3
"""AWS's STS as far as AssumeRole: usage: sts.py PORT FOLDER

Its keys are good for as many seconds as FOLDER/life says; "denied": they are refused. While FOLDER/hangs is there nobody is
answered. FOLDER/log has a line "asked" and one "answered" for each.
"""
import datetime
import http.server
import os
import socketserver
import sys
import time

PORT, FOLDER = int(sys.argv[1]), sys.argv[2]
KEYS = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>sts-secret</SecretAccessKey><SessionToken>sts-session</SessionToken>
<Expiration>{}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""
DENIED = """<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not allowed to assume it</Message></Error>
<RequestId>1</RequestId></ErrorResponse>"""


def tell(word):
    with open(FOLDER + "/log", "a", encoding="utf-8") as log:
        log.write(word + "\n")


class Sts(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        tell("asked")
        while os.path.exists(FOLDER + "/hangs"):
            time.sleep(0.05)
        with open(FOLDER + "/life", encoding="utf-8") as file:
            life = file.read().strip()
        if life == "denied":
            status, text = 403, DENIED
        else:
            end = datetime.datetime.utcnow() + datetime.timedelta(seconds=int(life))
            status, text = 200, KEYS.format(end.strftime("%Y-%m-%dT%H:%M:%SZ"))
        self.send_response(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())
        tell("answered")

    def log_message(self, *args):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


print("ready", flush=True)
Server(("127.0.0.1", PORT), Sts).serve_forever()
