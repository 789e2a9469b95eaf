"""Runs one of Debian's two Python clients for a test: a JSON command a line on stdin, its answer a line on stdout.

Started as `dbapi.py pymssql` or `dbapi.py pytds`. Every value is answered as text, NULL as null, long ones as length and SHA-256.
"""

import decimal
import hashlib
import json
import sys
import uuid

client = sys.argv[1]
if client == "pymssql":
    import pymssql as driver
else:
    import pytds as driver

connections = {}


class Ntlm:
    """NTLM of the module ntlm-auth as pytds wants it; level 3 is NTLMv2 with a MIC, 2 the first version, which pytds itself would take."""

    def __init__(self, account, password, level):
        from ntlm_auth.ntlm import NtlmContext

        domain, user = account.split("\\")
        self.context = NtlmContext(user, password, domain=domain, workstation="CLIENT", ntlm_compatibility=level)

    def create_packet(self):
        return self.context.step()

    def handle_next(self, packet):
        return self.context.step(packet)

    def close(self):
        pass


def plain(value):
    if value is None:
        return None
    if isinstance(value, (bytes, bytearray)):
        return "0x" + value.hex() if len(value) <= 64 else digest(bytes(value), len(value))
    if isinstance(value, str):
        return value if len(value) <= 400 else digest(value.encode("utf-8"), len(value))
    return str(value)


def digest(content, length):
    return "%d %s" % (length, hashlib.sha256(content).hexdigest())


def given(value):
    """A parameter: {"text", "repeat"}, {"hex", "repeat"}, {"decimal"}, {"uuid"} or the JSON value itself."""
    if not isinstance(value, dict):
        return value
    repeat = value.get("repeat", 1)
    if "text" in value:
        return value["text"] * repeat
    if "hex" in value:
        return driver.Binary(bytes.fromhex(value["hex"]) * repeat)
    if "uuid" in value:
        return uuid.UUID(value["uuid"])
    return decimal.Decimal(value["decimal"])


def failure(error):
    """Number, severity, state and line as far as the client tells them."""
    inner = error.__cause__ or error
    number = getattr(inner, "number", None) or getattr(inner, "msg_no", None)
    text = getattr(inner, "text", None) or str(inner)
    arguments = error.args[0] if error.args and isinstance(error.args[0], tuple) else error.args
    if number is None and len(arguments) > 1 and isinstance(arguments[0], int):
        number, text = arguments[:2]
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    answer = {"kind": type(error).__name__, "number": number, "text": text}
    for name in ("severity", "state", "line", "lineno"):
        value = getattr(inner, name, None)
        if value:
            answer["line" if name == "lineno" else name] = value
    return answer


def connect(command):
    settings = {"user": command["user"], "password": command["password"], "database": command.get("database", "master")}
    for name in ("autocommit", "login_timeout", "timeout"):
        if name in command:
            settings[name] = command[name]
    if client == "pymssql":
        settings.update(server="127.0.0.1", port=str(command["port"]))
        connection = driver.connect(**settings)
    else:
        if "ntlm" in command:
            settings["auth"] = Ntlm(settings["user"], settings["password"], command["ntlm"])
        connection = driver.connect("127.0.0.1", port=command["port"], **settings)
    connections[command["as"]] = connection
    return {}


def results(cursor):
    """Every result set of the statement; those before an error are kept, as the program that reads them keeps them."""
    sets = []
    more = True
    while more:
        if cursor.description:
            columns = [each[0] for each in cursor.description]
            sets.append({"columns": columns, "rows": [[plain(value) for value in row] for row in cursor.fetchall()]})
        more = cursor.nextset()
    return sets


def run(command):
    cursor = connections[command["on"]].cursor()
    try:
        parameters = tuple(given(value) for value in command.get("parameters", []))
        if parameters:
            cursor.execute(command["sql"], parameters)
        else:
            cursor.execute(command["sql"])
        return {"sets": results(cursor), "count": cursor.rowcount}
    finally:
        cursor.close()


def argument_of(argument):
    if not isinstance(argument, dict) or "output" not in argument:
        return given(argument)
    number = argument["output"] == "int"
    if client == "pymssql":
        return driver.output(int if number else str)
    return driver.output(param_type="int" if number else "nvarchar(40)")


def call(command):
    cursor = connections[command["on"]].cursor()
    try:
        returned = cursor.callproc(command["procedure"], [argument_of(each) for each in command["arguments"]])
        sets = results(cursor)
        status = cursor.returnvalue if client == "pymssql" else cursor.get_proc_return_status()
        return {"sets": sets, "arguments": [plain(value) for value in returned], "status": status}
    finally:
        cursor.close()


def cancel(command):
    """Cancels a statement after its first row, while the server still sends."""
    connection = connections[command["on"]]
    if client == "pymssql":
        inner = connection._conn
        inner.execute_query(command["sql"])
        first = next(iter(inner))
        inner.cancel()
        return {"first": plain(first[0])}
    cursor = connection.cursor()
    cursor.execute(command["sql"])
    first = cursor.fetchone()
    cursor.cancel()
    cursor.close()
    return {"first": plain(first[0])}


def finish(command):
    connection = connections[command["on"]]
    getattr(connection, command["op"])()
    if command["op"] == "close":
        del connections[command["on"]]
    return {}


def autocommit(command):
    connection = connections[command["on"]]
    if client == "pymssql":
        connection.autocommit(command["value"])
    else:
        connection.autocommit = command["value"]
    return {}


def messages(command):
    """What the server said beside the rows: state, severity, line and text of each message."""
    connection = connections[command["on"]]
    if client == "pymssql":
        said = []
        inner = connection._conn

        def keep(state, severity, server, procedure, line, text):
            said.append([state, severity, line, text.decode("utf-8") if isinstance(text, bytes) else text])

        inner.set_msghandler(keep)
        try:
            inner.execute_non_query(command["sql"])
        finally:
            inner.set_msghandler(None)
        return {"messages": said}
    cursor = connection.cursor()
    cursor.execute(command["sql"])
    said = [each for _, each in cursor.messages]
    while cursor.nextset():
        said += [each for _, each in cursor.messages]
    return {"messages": [[each.state, each.severity, each.line, each.text] for each in said]}


actions = {
    "connect": connect,
    "run": run,
    "call": call,
    "cancel": cancel,
    "commit": finish,
    "rollback": finish,
    "close": finish,
    "autocommit": autocommit,
    "messages": messages,
}

for line in sys.stdin:
    command = json.loads(line)
    try:
        answer = actions[command["op"]](command)
    except Exception as error:  # told to the test, which knows what it expects
        answer = {"error": failure(error)}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
