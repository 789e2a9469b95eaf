# Reads every event that integration jobs get, from the start, and checks each: its schema, repeats, the order of its key.
# KAFKA_BROKERS=127.0.0.1:9092 python examples/consumer.py [--until-idle SECONDS]      (README.md beside it; needs requirements.txt)
import argparse, json, os, sys
from pathlib import Path
from jsonschema import Draft202012Validator
from kafka import KafkaConsumer

parser = argparse.ArgumentParser()
parser.add_argument("--until-idle", type=float, metavar="SECONDS", default=1e6)
idle_seconds = parser.parse_args().until_idle

read = lambda path: json.loads((Path(__file__).resolve().parent.parent / "contracts" / path).read_text("utf-8"))
events = read("index.json")["events"]
schemas = {known["dataschema"]: Draft202012Validator(read(known["schema"])) for known in events}

user, ca = os.environ.get("KAFKA_USERNAME"), os.environ.get("KAFKA_CA_FILE")
security = {"security_protocol": ("SASL_" if user else "") + ("SSL" if ca else "PLAINTEXT"), "ssl_cafile": ca}
if user:
    password = Path(os.environ["KAFKA_PASSWORD_FILE"]).read_text("utf-8").strip()
    security |= {"sasl_mechanism": "SCRAM-SHA-256", "sasl_plain_username": user, "sasl_plain_password": password}
# Without a group it reads everything and remembers nothing. A job names one, and writes `seen` and `last` in the transaction of its effect.
consumer = KafkaConsumer(*{known["topic"] for known in events}, bootstrap_servers=os.environ["KAFKA_BROKERS"].split(","),
                         group_id=None, auto_offset_reset="earliest", consumer_timeout_ms=idle_seconds * 1000, **security)
seen, last, totals = set(), {}, {"events": 0, "duplicates": 0, "invalid": 0, "outOfOrder": 0}


def verdict_on(event, topic, key):
    # A job passes over a type that it does not know; this one is here to find it.
    schema = schemas.get(event.get("dataschema"))
    if schema is None or not schema.is_valid(event) or event["partitionkey"] != key:
        return "invalid"
    if event["id"] in seen:
        return "duplicates"
    seen.add(event["id"])
    expected, last[topic, key] = last.get((topic, key), 0) + 1, int(event["sequence"])
    return "events" if last[topic, key] == expected else "outOfOrder"


def parsed(value):
    try:
        return dict(json.loads(value))
    except (ValueError, TypeError):
        return {}


for record in consumer:
    event = parsed(record.value)
    verdict = verdict_on(event, record.topic, (record.key or b"").decode())
    totals[verdict] += 1
    print(json.dumps({"verdict": verdict, "topic": record.topic, "partition": record.partition, "offset": record.offset,
                      "type": event.get("type"), "id": event.get("id")}))
print(json.dumps(totals))
sys.exit(1 if totals["invalid"] or totals["outOfOrder"] else 0)
