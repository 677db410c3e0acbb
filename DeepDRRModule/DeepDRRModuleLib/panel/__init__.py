"""The sections of the module's panel, one file each: they wire widgets to logic."""
