"""Logic and panel of DesmokeModule."""
