"""The Segment Editor effect; its logic lies in DeepIGeoSModuleLib."""
