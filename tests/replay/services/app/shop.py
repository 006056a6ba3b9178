# SPDX-License-Identifier: GPL-2.0-or-later
"""shop - a module of its own, so that Python writes byte code at the first start."""
import random


def note():
    return "x" * random.randint(10, 2000)
