"""EndoDepth: depth and surface from monocular endoscopic video, taught by structure from motion."""
