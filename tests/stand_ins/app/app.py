"""An application for tests: one small HTTP server on port 8000, which ends at once when stopped."""

import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hello(BaseHTTPRequestHandler):
    """Every path answers 200 and a greeting."""

    def do_GET(self) -> None:
        """Answer with the greeting."""
        body = b"Hello from the app\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    # The first process of a container gets no default action for SIGTERM: without a handler a stop
    # takes its whole grace time.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("listening on port 8000", flush=True)
    ThreadingHTTPServer(("", 8000), Hello).serve_forever()
