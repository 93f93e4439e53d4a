"""A server that does nothing about SIGTERM, as the first process of its container."""

import http.server

from shop import tea


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/tea":
            text = tea.brew("container")  # runs
        else:
            text = "something else"  # never
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args):
        pass


if __name__ == "__main__":
    http.server.HTTPServer(("", 8000), Handler).serve_forever()
