"""What people look at: contact sheets."""

from wmproof.report.contact_sheet import draw_contact_sheet

__all__ = ["draw_contact_sheet"]
