"""The demo: every system's main job on bundled real data in a real MRML scene, with a report."""
