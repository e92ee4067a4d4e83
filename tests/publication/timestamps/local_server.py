"""Real HTTP servers on the loopback."""

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextlib.contextmanager
def serving(answer):
    """Serve `answer(method, path, body) -> (status, content type, body)`; yields the URL.

    A body may be an iterator of parts, which are sent one by one.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, kind, reply = answer(self.command, self.path, body)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            if status == 302:
                self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()
            with contextlib.suppress(OSError):
                for part in [reply] if isinstance(reply, bytes) else reply:
                    self.wfile.write(part)
                    self.wfile.flush()

        do_GET = do_POST  # noqa: N815 - the base class's name

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
