"""Several processes under gunicorn. Run: gunicorn -c gunicorn.conf.py app:app.

Each process holds its own streams, so the hub has to be in Redis (REDIS_URL).
"""

bind = "127.0.0.1:8000"
workers = 2
worker_class = "uvicorn_worker.UvicornWorker"  # pip install gunicorn uvicorn-worker

# How long a worker may take to stop, on TERM, HUP and max_requests. Streams end at once.
graceful_timeout = 10

# The worker answers for itself while its streams are open, so a stream may be longer than this.
timeout = 30
