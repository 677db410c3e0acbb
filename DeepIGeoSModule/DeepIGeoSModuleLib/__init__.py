"""What DeepIGeoSModule and its Segment Editor effect share."""
