"""The simulated shop: sessions, orders, inventory, injected faults, and the ledger as ground truth."""
