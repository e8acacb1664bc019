"""Stores: where state, alerts, cases, tasks and history are kept. One file a store."""
