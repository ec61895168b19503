"""Prints what beancount itself makes of a journal: account, commodity, number. Fails where it finds an error."""

import sys
from collections import defaultdict
from decimal import Decimal

from beancount import loader
from beancount.core import data

entries, errors, _ = loader.load_file(sys.argv[1])
if errors:
    sys.exit("\n".join(str(error) for error in errors))
sums = defaultdict(Decimal)
for entry in entries:
    if isinstance(entry, data.Transaction):
        for posting in entry.postings:
            sums[posting.account, posting.units.currency] += posting.units.number
for (account, currency), number in sorted(sums.items()):
    print(f"{account},{currency},{number:f}")
