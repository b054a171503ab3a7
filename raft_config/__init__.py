"""Live settings for Django that every node of a cluster agrees on."""

__version__ = "0.1.0"
