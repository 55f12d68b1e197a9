"""`./tmrl report`: a run on one page, from its journal, its ledger and its recordings."""
