"""What people look at: contact sheets."""

from wmproof.report.contact_sheet import ContactSheet, contact_sheet, draw_contact_sheet

__all__ = ["ContactSheet", "contact_sheet", "draw_contact_sheet"]
