"""The API, on a real node alone, through the whole of Django and DRF."""
