"""Runs a part in a process and a project of its own: `python -m tests.power.child work`."""

import sys
from importlib import import_module

import django

django.setup()
import_module(f"tests.power.{sys.argv[1]}").main(sys.argv[2:])
