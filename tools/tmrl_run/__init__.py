"""What a run directory holds, for whoever reads it afterwards or meanwhile: data sets, reports."""
