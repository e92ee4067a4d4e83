"""Read access for people: pages and a JSON API over a log. Needs the extra `serve`."""
