"""Looking after a results folder: finding damage, removing what nobody needs, taking runs elsewhere. Light: no torch."""
