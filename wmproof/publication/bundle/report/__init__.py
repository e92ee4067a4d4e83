"""The report of a bundle for court or counsel: one HTML file that asks no network for anything."""

from wmproof.publication.bundle.report.page import draw_evidence

__all__ = ["draw_evidence"]
