# SPDX-License-Identifier: ISC
"""What a period held: from the ledger's hours to a report, and that as text or as one page of HTML."""
