"""`report.html`: a report as one self-contained file, with tables, figures and an image browser."""
