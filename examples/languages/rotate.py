#!/usr/bin/python3
# rotate.py: one refresh with Python's psycopg 3.

import os
import time

import psycopg


# Gives the row when the server has committed.  OperationalError is a lost connection
# or a 40001, which leaves open what happened: the same token again.
def rotate(token, client_id):
    for attempt in range(5):
        try:
            # Commits at its end: return what it gave only after that.
            with psycopg.connect() as connection:
                row = connection.execute(
                    "SELECT outcome, error, refresh_token FROM sctoken.rotate(%s, %s)",
                    (token, client_id)).fetchone()
            return row
        except psycopg.OperationalError:
            if attempt == 4:
                raise
            time.sleep(0.1 * 2 ** attempt)


if __name__ == "__main__":
    outcome, error, refresh_token = rotate(
        os.environ["REFRESH_TOKEN"], os.environ["CLIENT_ID"])
    print(outcome, refresh_token or error)
