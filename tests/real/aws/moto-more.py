"""aws_fake.py, with what it and moto 5.1 lack of AWS for whole pipelines.

moto-more.py AWS_FAKE.PY -p PORT

- CloudFormation associates subnets with their route tables, and takes away what it forgets: associations, route tables,
  internet and NAT gateways; no tags are told of what is gone;
- EKS makes a cluster's security group with the cluster, and takes it away with it; says that there is no add-on where
  there is none;
- a change set is made once by its name, and executed once;
- a registered image is the marketplace's; GET /_more/routers tells which instances run that have an Elastic IP;
- an answer can be lost after the call has acted, as on a network: POST /_more/lose ["REGEX of actions", ...], each
  action that fits once; GET /_more/lose tells which were.
"""
import base64
import io
import json
import re
import runpy
import sys
from urllib.parse import parse_qs

script = sys.argv[1]
sys.argv = sys.argv[1:]
sys.path.insert(0, script.rsplit("/", 1)[0])


def reply(start, what):
    answer = json.dumps(what).encode()
    start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
    return [answer]


def routers():
    """[instance, Elastic IP, user data in base64] of each that runs."""
    from moto.ec2.models import ec2_backends

    found = []
    for regions in list(ec2_backends.values()):
        for ec2 in list(regions.values()):
            for address in list(ec2.addresses):
                instance = address.eni.instance if address.eni else None
                if instance and instance._state.name == "running":
                    data = instance.user_data or b""
                    data = data[0] if isinstance(data, list) else data
                    data = data.encode() if isinstance(data, str) else data
                    found.append([instance.id, address.public_ip, data.decode("latin-1") if is_base64(data) else base64.b64encode(data).decode()])
    return found


def is_base64(data):
    try:
        return base64.b64decode(data, validate=True) is not None
    except ValueError:
        return False


class Around:
    """What is done around each call; the fake's own App is within."""

    def __init__(self, inner):
        self.inner, self.lose, self.lost = inner, [], []

    def __call__(self, env, start):
        length = int(env.get("CONTENT_LENGTH") or 0)
        body = env["wsgi.input"].read(length) if length else b""
        env["wsgi.input"] = io.BytesIO(body)
        if env["PATH_INFO"] == "/_more/routers":
            return reply(start, routers())
        if env["PATH_INFO"] == "/_more/lose":
            if length:
                self.lose, self.lost = json.loads(body), []
            return reply(start, self.lost)
        said = []
        answer = list(self.inner(env, lambda status, headers, _=None: said.append((status, headers))))
        if said and said[0][0].startswith("404") and "/addons" in env["PATH_INFO"]:
            answer = [b'{"message": "No addon found"}']
            said = [("404 X", [("Content-Type", "application/json"), ("x-amzn-ErrorType", "ResourceNotFoundException"),
                               ("Content-Length", str(len(answer[0])))])]
        form = parse_qs(body.decode("utf-8", "replace"))
        action = form.get("Action", [env["REQUEST_METHOD"] + " " + env["PATH_INFO"]])[0]
        if action not in self.lost and any(re.fullmatch(one, action) for one in self.lose):
            self.lost.append(action)
            env["werkzeug.socket"].shutdown(2)
            return []
        if said:
            start(*said[0])
        return answer


def mend():
    import moto.eks.models as eks
    from moto.cloudformation.exceptions import ValidationError
    from moto.cloudformation.models import CloudFormationBackend
    from moto.ec2.models import EC2Backend, ec2_backends
    from moto.ec2.models.internet_gateways import InternetGateway
    from moto.ec2.models.nat_gateways import NatGateway
    from moto.ec2.models.route_tables import RouteTable
    from moto.ec2.models.subnets import SubnetRouteTableAssociation
    from moto.ec2.models.vpn_gateway import VPCGatewayAttachment

    def failed(code, message):
        error = ValidationError(message=message)
        error.description = ("<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error>"
                             "<RequestId>fake</RequestId></ErrorResponse>" % (code, message))
        return error

    def associate(cls, name, template, account_id, region_name, **_):
        made, wanted = cls.__new__(cls), template["Properties"]
        cls.__init__(made, wanted["RouteTableId"], wanted["SubnetId"])
        made.association = ec2_backends[account_id][region_name].associate_route_table(made.route_table_id, subnet_id=made.subnet_id)
        return made

    def dissociate(self, account_id, region_name):
        ec2 = ec2_backends[account_id][region_name]
        for table in ec2.route_tables.values():
            table.associations.pop(self.association, None)

    def delete_table(self, account_id, region_name):
        ec2_backends[account_id][region_name].delete_route_table(self.id)

    def detach(self, account_id, region_name):
        ec2_backends[account_id][region_name].detach_internet_gateway(self.gateway_id, self.vpc_id)

    def delete_gateway(self, account_id, region_name):
        ec2_backends[account_id][region_name].delete_internet_gateway(self.id)

    def delete_nat(self, account_id, region_name):
        ec2 = ec2_backends[account_id][region_name]
        for address in ec2.addresses:
            if address.eni is self._eni:
                address.eni = address.association_id = None
        ec2.enis.pop(self._eni.id, None)
        ec2.delete_nat_gateway(self.id)

    describe_tags = EC2Backend.describe_tags

    def describe_living(self, filters=None):
        alive = {"vpc": self.vpcs, "subnet": self.subnets, "igw": self.internet_gateways, "rtb": self.route_tables, "eni": self.enis}
        groups = {group for vpc in self.groups.values() for group in vpc}
        found = describe_tags(self, filters)
        return [tag for tag in found for kind, _, _ in [tag["resource_id"].partition("-")]
                if tag["resource_id"] in alive.get(kind, groups if kind == "sg" else [tag["resource_id"]])]

    InternetGateway.delete, VPCGatewayAttachment.delete, NatGateway.delete = delete_gateway, detach, delete_nat
    EC2Backend.describe_tags = describe_living
    SubnetRouteTableAssociation.create_from_cloudformation_json = classmethod(associate)
    SubnetRouteTableAssociation.physical_resource_id = property(lambda self: self.association)
    SubnetRouteTableAssociation.delete = dissociate
    RouteTable.delete = delete_table

    describe_images = EC2Backend.describe_images

    def describe_all(self, ami_ids=(), filters=None, exec_users=None, owners=None):
        return describe_images(self, ami_ids, filters, exec_users, [o for o in owners or () if o != "aws-marketplace"])

    EC2Backend.describe_images = describe_all
    make, execute = CloudFormationBackend.create_change_set, CloudFormationBackend.execute_change_set

    def make_once(self, stack_name, change_set_name, *rest, **more):
        for other in self.change_sets.values():
            if other.stack.name == stack_name and other.change_set_name == change_set_name and other.stack.stack_id in self.stacks:
                raise failed("AlreadyExistsException", "ChangeSet %s already exists" % other.change_set_id)
        return make(self, stack_name, change_set_name, *rest, **more)

    def execute_once(self, change_set_name, stack_name=None):
        for other in self.change_sets.values():
            if change_set_name in (other.change_set_id, other.change_set_name) and other.execution_status != "AVAILABLE":
                raise failed("InvalidChangeSetStatus", "ChangeSet [%s] cannot be executed in its current status of [%s]"
                             % (other.change_set_id, other.status))
        return execute(self, change_set_name, stack_name)

    CloudFormationBackend.create_change_set, CloudFormationBackend.execute_change_set = make_once, execute_once
    create, delete = eks.EKSBackend.create_cluster, eks.EKSBackend.delete_cluster

    def create_with_group(self, name, role_arn, resources_vpc_config, *rest, **more):
        made = create(self, name, role_arn, resources_vpc_config, *rest, **more)
        ec2 = ec2_backends[self.account_id][self.region_name]
        vpc = ec2.get_subnet(resources_vpc_config["subnetIds"][0]).vpc_id
        group = ec2.create_security_group("eks-cluster-sg-" + name, "EKS created security group", vpc_id=vpc)
        made.resources_vpc_config = {**resources_vpc_config, "vpcId": vpc, "clusterSecurityGroupId": group.id}
        return made

    def delete_with_group(self, name):
        gone = delete(self, name)
        ec2_backends[self.account_id][self.region_name].delete_security_group(group_id=gone.resources_vpc_config["clusterSecurityGroupId"])
        return gone

    eks.EKSBackend.create_cluster, eks.EKSBackend.delete_cluster = create_with_group, delete_with_group


def run(host, port, app, **options):
    served(host, port, Around(app), **options)


import werkzeug.serving  # noqa: E402

served, werkzeug.serving.run_simple = werkzeug.serving.run_simple, run
try:
    import openapi_spec_validator  # noqa: F401
except ImportError:  # moto.apigateway imports it, nothing here uses it
    import types

    for name in ("", ".validation", ".validation.exceptions"):
        module = types.ModuleType("openapi_spec_validator" + name)
        module.validate = module.validate_spec = lambda *_, **__: None
        module.OpenAPIValidationError = type("OpenAPIValidationError", (Exception,), {})
        sys.modules[module.__name__] = module
mend()
runpy.run_path(script, run_name="__main__")
