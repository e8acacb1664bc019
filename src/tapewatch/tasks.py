from tapewatch.runtime.cluster.celery_app import make_app, worker_settings

app = make_app(worker_settings())
