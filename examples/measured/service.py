"""A small service: the README measures it in a container."""

from http.server import BaseHTTPRequestHandler, HTTPServer

STOCK = {"green": 3, "black": 0}


class Service(BaseHTTPRequestHandler):
    """Answers how much there is of a tea."""

    def do_GET(self) -> None:
        """Tell the number, or that it is not known."""
        tea = self.path.strip("/")
        self.send_response(200 if tea in STOCK else 404)
        self.end_headers()
        if tea in STOCK:
            self.wfile.write(str(STOCK[tea]).encode())


if __name__ == "__main__":
    HTTPServer(("", 8000), Service).serve_forever()
