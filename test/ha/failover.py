#!/usr/bin/python3
"""failover.py: what a failover may forget, on a cluster of Patroni.

Three servers, an etcd, and clients that log in, rotate and revoke.  The leader is
killed with all its processes while they do, first with synchronous replication,
where nothing that was answered may be lost, then with asynchronous replication and
standbys that lag, where something is, and nobody may be punished for it.

Prints TAP.  Needs PATH, PG_CONFIG and PYTHONPATH as test/ha/run.sh sets them.

usage: failover.py FOLDER PATRONI ETCD
"""
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import psutil
import psycopg2

CLIENTS = 8
FAMILIES = 6			# that each client has to begin with
PATIENCE = 180			# seconds until what must come is late
JKT = '{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}'

folder, patroni_program, etcd_program = sys.argv[1:]
cases = 0
failures = 0


def note(text):
    print('# ' + text, flush=True)


def ok(good, text, why=''):
    global cases, failures
    cases += 1
    if not good:
        failures += 1
        for line in str(why).splitlines():
            note(line)
    print(f"{'ok' if good else 'not ok'} {cases} - {text}", flush=True)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(('127.0.0.1', 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wait_for(what, condition):
    """What condition gives once it is true."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.1)
    raise SystemExit(f'Bail out! {what}: not within {PATIENCE} s')


class Node:
    """A server, and the Patroni that runs it."""

    def __init__(self, name, etcd_port, ports):
        self.name = name
        self.port, self.rest_port = ports
        self.process = None
        address = f'127.0.0.1:{self.port}'
        rest_address = f'127.0.0.1:{self.rest_port}'
        trust = {'username': 'postgres'}
        self.file = f'{folder}/{name}.json'
        # JSON is YAML.  Times are the shortest that Patroni takes.
        configuration = {
            'scope': 'sctoken',
            'name': name,
            'restapi': {'listen': rest_address, 'connect_address': rest_address},
            'etcd3': {'host': f'127.0.0.1:{etcd_port}'},
            'bootstrap': {
                'dcs': {
                    'ttl': 20, 'loop_wait': 1, 'retry_timeout': 5,
                    'maximum_lag_on_failover': 1 << 30,
                    'synchronous_mode': True,
                    'postgresql': {
                        'use_pg_rewind': True,
                        'parameters': {'shared_buffers': '32MB', 'max_connections': 50,
                                       'wal_keep_size': '256MB', 'wal_log_hints': 'on'},
                    },
                },
                'initdb': [{'encoding': 'UTF8'}, {'locale': 'C'}, {'auth': 'trust'}],
            },
            'postgresql': {
                'listen': address, 'connect_address': address,
                'data_dir': f'{folder}/{name}',
                'bin_dir': os.path.dirname(os.environ['PG_CONFIG']),
                'pgpass': f'{folder}/{name}.pgpass',
                'authentication': {'superuser': trust, 'replication': trust, 'rewind': trust},
                'pg_hba': ['local all all trust', 'host all all 127.0.0.1/32 trust',
                           'host replication all 127.0.0.1/32 trust'],
                'parameters': {'unix_socket_directories': folder},
            },
        }
        with open(self.file, 'w', encoding='utf-8') as file:
            json.dump(configuration, file)

    def start(self):
        with open(f'{folder}/{self.name}.log', 'a', encoding='utf-8') as log:
            self.process = subprocess.Popen([sys.executable, patroni_program, self.file],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def dies(self):
        """As when the machine loses its power: all processes at once."""
        processes = [psutil.Process(self.process.pid)]
        processes += processes[0].children(recursive=True)
        try:
            with open(f'{folder}/{self.name}/postmaster.pid', encoding='utf-8') as file:
                postmaster = psutil.Process(int(file.readline()))
            processes += [postmaster] + postmaster.children(recursive=True)
        except (OSError, psutil.NoSuchProcess):
            pass
        # Patroni first, which would start the server again.
        for process in processes:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                pass
        self.process.wait()

    def connect(self):
        connection = psycopg2.connect(host='127.0.0.1', port=self.port, user='postgres',
                                      dbname='postgres', connect_timeout=5)
        connection.autocommit = True
        return connection

    def ask(self, sql, *values):
        """The rows that this server gives; none where it does not answer."""
        try:
            connection = self.connect()
        except psycopg2.OperationalError:
            return []
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql, values)
                return cursor.fetchall() if cursor.description else []
        except psycopg2.OperationalError:
            return []
        finally:
            connection.close()

    def leads(self):
        return self.ask('SELECT NOT pg_is_in_recovery()') == [(True,)]

    def configure(self, **changes):
        request = urllib.request.Request(
            f'http://127.0.0.1:{self.rest_port}/config', method='PATCH',
            data=json.dumps(changes).encode(), headers={'Content-Type': 'application/json'})
        urllib.request.urlopen(request).read()


class Family:
    """What a client knows of a family: its tokens, the newest last."""

    def __init__(self, number, token, family_id, bound):
        self.number = number
        self.tokens = [token]
        self.id = family_id
        self.cnf = JKT if bound else None
        self.revoked = False


class Client(threading.Thread):
    """Logs in, rotates and revokes; after a lost connection it repeats the call.

    Its first family stays, so that there is an old one at any time.
    """

    def __init__(self, number, nodes):
        super().__init__(daemon=True)
        self.number = number
        self.random = random.Random(number)
        self.address = {
            'host': ','.join('127.0.0.1' for _ in nodes),
            'port': ','.join(str(node.port) for node in nodes),
            'target_session_attrs': 'read-write', 'connect_timeout': 2,
            'user': 'postgres', 'dbname': 'postgres',
        }
        self.connection = None
        self.families = []
        self.stopping = threading.Event()
        self.answers = {}		# how often each came
        self.repeated = {}		# likewise, of calls whose connection was lost
        self.refused = []		# families whose newest token was refused
        self.answered_at = time.monotonic()
        self.gap = 0.0
        self.error = None

    def call(self, sql, *values):
        """The row that a call gives, and whether it was sent more than once."""
        again = False
        while not self.stopping.is_set() or not again:
            try:
                if self.connection is None:
                    self.connection = psycopg2.connect(**self.address)
                    self.connection.autocommit = True
                with self.connection.cursor() as cursor:
                    cursor.execute(sql, values)
                    row = cursor.fetchone()
            except (psycopg2.OperationalError, psycopg2.InterfaceError):
                self.connection = None
                again = True
                time.sleep(0.1)
                continue
            now = time.monotonic()
            self.gap = max(self.gap, now - self.answered_at)
            self.answered_at = now
            return row, again
        raise SystemExit

    def log_in(self):
        bound = len(self.families) % 2 == 0
        row, _ = self.call('SELECT refresh_token, family_id FROM sctoken.issue(%s, %s, cnf => %s)',
                           'app', f'user {self.number}', JKT if bound else None)
        self.families.append(Family(len(self.families), row[0], row[1], bound))

    def rotate(self, family):
        (outcome, reason, token), again = self.call(
            'SELECT outcome, reason, refresh_token FROM sctoken.rotate(%s, %s, cnf => %s)',
            family.tokens[-1], 'app', family.cnf)
        answer = outcome if reason is None else f'{outcome} {reason}'
        counts = self.repeated if again else self.answers
        counts[answer] = counts.get(answer, 0) + 1
        if outcome in ('rotated', 'replayed'):
            family.tokens.append(token)
        else:
            self.refused.append(family)

    def revoke(self, family):
        self.call('SELECT sctoken.revoke_family(%s, %s)', family.id, 'logout')
        family.revoked = True

    def living(self):
        return [family for family in self.families
                if not family.revoked and family not in self.refused]

    def run(self):
        try:
            while not self.stopping.is_set():
                living = self.living()
                if len(living) < FAMILIES:
                    self.log_in()
                elif self.random.random() < 0.05:
                    self.revoke(self.random.choice(living[1:]))
                else:
                    self.rotate(self.random.choice(living))
        except SystemExit:
            pass
        except Exception as error:	# whatever it is, the test must say so
            self.error = repr(error)


class Crowd:
    """All clients, while they are at it."""

    def __init__(self, nodes):
        self.clients = [Client(number, nodes) for number in range(CLIENTS)]
        for client in self.clients:
            client.start()

    def work(self, seconds):
        """Lets them work for a while, and until each has had an answer in it."""
        begin = time.monotonic()
        time.sleep(seconds)
        wait_for('an answer for each client', lambda: all(
            client.answered_at > begin or client.error for client in self.clients))

    def stop(self):
        for client in self.clients:
            client.stopping.set()
        for client in self.clients:
            client.join(PATIENCE)
        ok(not any(client.is_alive() or client.error for client in self.clients),
           'each client was answered in the end',
           [client.error for client in self.clients])

    def total(self, which):
        result = {}
        for client in self.clients:
            for answer, count in getattr(client, which).items():
                result[answer] = result.get(answer, 0) + count
        return result

    def families(self, wanted):
        return [family for client in self.clients for family in client.families
                if wanted(client, family)]

    def gap(self):
        return max(client.gap for client in self.clients)


def leader_of(nodes):
    return wait_for('a leader', lambda: next((node for node in nodes if node.leads()), None))


def wait_for_standbys(leader, sync):
    """All others stream, and one of them is synchronous, or none."""
    wait_for('the standbys', lambda: leader.ask('''
        SELECT count(*) = 2 AND bool_or(sync_state IN ('sync', 'quorum')) = %s
          FROM pg_stat_replication WHERE state = 'streaming' ''', sync) == [(True,)])


def active(leader, families):
    """Those of the families that live."""
    living = {row[0] for row in leader.ask(
        'SELECT id::text FROM unnest(%s::uuid[]) AS id WHERE sctoken.family_active(id)',
        [family.id for family in families])}
    return [family for family in families if family.id in living]


def events(leader):
    """How many; those of families that are not there as 'family'."""
    return dict(leader.ask('''SELECT coalesce(detail ->> 'why', kind), count(*) FROM sctoken.event
        WHERE kind IN ('ahead', 'orphan', 'reuse_detected') GROUP BY 1'''))


def synchronous(nodes):
    leader = leader_of(nodes)
    leader.ask('CREATE EXTENSION sctoken')
    # A failover takes longer than the 10 s in which a token that is bound to nothing
    # may come again by default.
    leader.ask("INSERT INTO sctoken.client_policy (client_id, retry_window) VALUES ('app', '5 minutes')")
    wait_for_standbys(leader, True)

    crowd = Crowd(nodes)
    crowd.work(3)
    leader.dies()
    followers = [node for node in nodes if node is not leader]
    successor = leader_of(followers)
    crowd.work(3)
    crowd.stop()

    answers, repeated = crowd.total('answers'), crowd.total('repeated')
    note(f'synchronous: {answers}, of calls that were repeated {repeated}; gap {crowd.gap():.1f} s')
    ok(answers.get('rotated', 0) > 100 and not set(answers) - {'rotated'},
       'synchronous: every token is accepted, before and after the failover', answers)
    ok(repeated and all(answer.split()[0] in ('rotated', 'replayed') for answer in repeated),
       'a call that was in flight is repeated without harm', repeated)

    alive = crowd.families(lambda client, family: not family.revoked)
    lost = successor.ask("""SELECT count(*) FROM unnest(%s::text[]) AS token
        WHERE sctoken.introspect(token)->'active' <> 'true' """,
                         [family.tokens[-1] for family in alive])[0][0]
    ok(alive and not lost, f'no rotation that was answered is lost (of {len(alive)} families)', lost)
    revoked = crowd.families(lambda client, family: family.revoked)
    lost = active(successor, revoked)
    ok(revoked and not lost, f'no revocation that was answered is lost (of {len(revoked)})', len(lost))
    ok(not events(successor), 'nobody was taken for a thief, or for ahead', events(successor))
    return leader, successor


def asynchronous(nodes, leader):
    before = events(leader)
    leader.configure(synchronous_mode=False)
    wait_for_standbys(leader, False)

    crowd = Crowd(nodes)
    crowd.work(2)
    followers = [node for node in nodes if node is not leader]
    receivers = [node.ask('SELECT pid FROM pg_stat_wal_receiver')[0][0] for node in followers]
    for pid in receivers:
        os.kill(pid, signal.SIGSTOP)
    # The new leader shall know families of which it lacks rotations, and others not at all.
    eldest = [client.families[0] for client in crowd.clients]
    before_stop = [len(family.tokens) for family in eldest]
    crowd.work(1)
    wait_for('a rotation that will be lost', lambda: any(
        len(family.tokens) > count for family, count in zip(eldest, before_stop)))
    leader.dies()
    # What the network has brought meanwhile must not be read: the end comes first.
    for pid in receivers:
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGCONT)
    successor = leader_of(followers)
    crowd.work(3)
    # Each presents the newest token of each family that it has.
    crowd.stop()
    for client in crowd.clients:
        client.stopping.clear()
        for family in client.living():
            client.rotate(family)

    answers, repeated = crowd.total('answers'), crowd.total('repeated')
    note(f'asynchronous: {answers}, of calls that were repeated {repeated}; gap {crowd.gap():.1f} s')
    refused = crowd.families(lambda client, family: family in client.refused)
    seen = events(successor)
    counted = {kind: seen.get(kind, 0) - before.get(kind, 0) for kind in ('ahead', 'orphan', 'family')}
    note(f'events: {seen}, before {before}')
    ok(refused, 'asynchronous: tokens are lost with the leader', answers)
    ok(not seen.get('reuse_detected'), 'nobody was taken for a thief', seen)

    # The family is where the new leader knows it: the token of that generation, which
    # the client has used, is the live one again.  Some it does not know at all.
    generations = dict(successor.ask(
        'SELECT id::text, generation FROM sctoken.family WHERE id = ANY (%s::uuid[])',
        [family.id for family in refused]))
    known = [family for family in refused if family.id in generations]
    ok(counted['ahead'] + counted['orphan'] == len(known),
       f'each that was lost in a family it knows is an event: {len(known)}', counted)
    ok(counted['family'] == len(refused) - len(known),
       f'and so is each of a login it does not know: {counted["family"]}', len(refused) - len(known))
    spent = [family.tokens[generations[family.id] - 1] for family in known]
    alive = successor.ask("""SELECT count(*) FROM unnest(%s::text[]) AS token
        WHERE sctoken.introspect(token)->'active' = 'true' """, spent)[0][0]
    ok(alive > 0 and alive == len(known),
       f'no family died of it: {alive} live on at a token that was used', len(known))
    forgotten = active(successor, crowd.families(lambda client, family: family.revoked))
    ok(forgotten, f'revocations are lost, which nothing shows: {len(forgotten)}')

    # What doc/high-availability.md tells to do then.
    successor.ask("SELECT sctoken.revoke_client('*', 'failover')")
    everything = crowd.families(lambda client, family: True)
    ok(not active(successor, everything),
       f'revoke_client ends all {len(everything)} families there were')


def main():
    etcd_port, peer_port, *ports = free_ports(8)
    with open(f'{folder}/etcd.log', 'w', encoding='utf-8') as log:
        etcd = subprocess.Popen(
            [etcd_program, '--name', 'etcd', '--data-dir', f'{folder}/etcd',
             '--listen-client-urls', f'http://127.0.0.1:{etcd_port}',
             '--advertise-client-urls', f'http://127.0.0.1:{etcd_port}',
             '--listen-peer-urls', f'http://127.0.0.1:{peer_port}',
             '--initial-advertise-peer-urls', f'http://127.0.0.1:{peer_port}',
             '--initial-cluster', f'etcd=http://127.0.0.1:{peer_port}'],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    nodes = [Node(f'node{number}', etcd_port, (ports[2 * number], ports[2 * number + 1]))
             for number in range(3)]
    try:
        for node in nodes:
            node.start()
        dead, leader = synchronous(nodes)
        dead.start()
        wait_for_standbys(leader, True)
        ok(True, 'the server that was killed is a standby again')
        asynchronous(nodes, leader)
    finally:
        for node in nodes:
            if node.process and node.process.poll() is None:
                node.dies()
        etcd.kill()
    print(f'1..{cases}')
    return failures != 0


signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
sys.exit(main())
