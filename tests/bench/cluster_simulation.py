# SPDX-License-Identifier: ISC
"""The simulation of a cluster; see tests/bench/cluster/simulation.py."""

import sys

from tests.bench.cluster.simulation import main

if __name__ == "__main__":
    sys.exit(main())
