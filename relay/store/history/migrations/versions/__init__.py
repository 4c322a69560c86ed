"""One file a change, each behind the one before."""
