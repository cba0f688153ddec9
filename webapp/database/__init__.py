"""The engine, the transaction, and the migrations."""
