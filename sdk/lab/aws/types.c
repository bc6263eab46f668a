// The kinds of EC2 resources: their ids, their words in errors, what a Describe call may filter by.
#include "inner.h"
#include "ec2.h"

#include <string.h>

const struct aws_type aws_types[] = {
    {.name = "vpc",
     .prefix = "vpc-",
     .id = "vpcId",
     .missing = "InvalidVpcID.NotFound",
     .noun = "vpc ID",
     .set = "vpcSet",
     .ids = "VpcId",
     .filters = "vpc-id=vpcId cidr=cidrBlock cidr-block=cidrBlock state=state is-default=isDefault "
                "cidr-block-association.cidr-block=cidrBlockAssociationSet.cidrBlock owner-id=ownerId "
                "isDefault=isDefault",
     .label = "cidrBlock"},
    {.name = "subnet",
     .prefix = "subnet-",
     .id = "subnetId",
     .missing = "InvalidSubnetID.NotFound",
     .noun = "subnet ID",
     .set = "subnetSet",
     .ids = "SubnetId",
     .filters =
         "subnet-id=subnetId vpc-id=vpcId cidr=cidrBlock cidr-block=cidrBlock cidrBlock=cidrBlock "
         "state=state "
         "availability-zone=availabilityZone availabilityZone=availabilityZone default-for-az=defaultForAz "
         "map-public-ip-on-launch=mapPublicIpOnLaunch owner-id=ownerId",
     .label = "cidrBlock",
     .view = ec2_subnet_view},
    {.name = "internet-gateway",
     .prefix = "igw-",
     .id = "internetGatewayId",
     .missing = "InvalidInternetGatewayID.NotFound",
     .noun = "internetGateway ID",
     .set = "internetGatewaySet",
     .ids = "InternetGatewayId",
     .filters = "internet-gateway-id=internetGatewayId attachment.vpc-id=attachmentSet.vpcId "
                "attachment.state=attachmentSet.state owner-id=ownerId",
     .label = ""},
    {.name = "natgateway",
     .prefix = "nat-",
     .id = "natGatewayId",
     .missing = "NatGatewayNotFound",
     .noun = "NAT gateway",
     .set = "natGatewaySet",
     .ids = "NatGatewayId",
     .filters = "nat-gateway-id=natGatewayId vpc-id=vpcId subnet-id=subnetId state=state",
     .label = "",
     .gone = ec2_state_gone},
    {.name = "route-table",
     .prefix = "rtb-",
     .id = "routeTableId",
     .missing = "InvalidRouteTableID.NotFound",
     .noun = "routeTable ID",
     .set = "routeTableSet",
     .ids = "RouteTableId",
     .filters =
         "route-table-id=routeTableId vpc-id=vpcId association.subnet-id=associationSet.subnetId "
         "association.main=associationSet.main owner-id=ownerId "
         "association.route-table-association-id=associationSet.routeTableAssociationId "
         "association.route-table-id=associationSet.routeTableId "
         "route.destination-cidr-block=routeSet.destinationCidrBlock route.gateway-id=routeSet.gatewayId "
         "route.nat-gateway-id=routeSet.natGatewayId route.instance-id=routeSet.instanceId "
         "route.state=routeSet.state route.origin=routeSet.origin",
     .label = "",
     .view = ec2_route_table_view},
    {.name = "security-group",
     .prefix = "sg-",
     .id = "groupId",
     .missing = "InvalidGroup.NotFound",
     .noun = "security group",
     .set = "securityGroupInfo",
     .ids = "GroupId",
     .filters =
         "group-id=groupId group-name=groupName vpc-id=vpcId description=groupDescription owner-id=ownerId "
         "ip-permission.cidr=ipPermissions.ipRanges.cidrIp ip-permission.protocol=ipPermissions.ipProtocol "
         "ip-permission.from-port=ipPermissions.fromPort ip-permission.to-port=ipPermissions.toPort "
         "ip-permission.group-id=ipPermissions.groups.groupId "
         "egress.ip-permission.cidr=ipPermissionsEgress.ipRanges.cidrIp",
     .label = "groupName",
     .view = ec2_group_view},
    {.name = "security-group-rule",
     .prefix = "sgr-",
     .id = "securityGroupRuleId",
     .missing = "InvalidSecurityGroupRuleId.NotFound",
     .noun = "security group rule ID",
     .set = "securityGroupRuleSet",
     .ids = "SecurityGroupRuleId",
     .filters = "group-id=groupId security-group-rule-id=securityGroupRuleId",
     .label = "isEgress ipProtocol fromPort cidrIpv4"},
    {.name = "prefix-list",
     .prefix = "pl-",
     .id = "prefixListId",
     .missing = "InvalidPrefixListID.NotFound",
     .noun = "prefix list ID",
     .set = "prefixListSet",
     .ids = "PrefixListId",
     .filters = "prefix-list-id=prefixListId prefix-list-name=prefixListName owner-id=ownerId",
     .label = "prefixListName"},
    {.name = "network-interface",
     .prefix = "eni-",
     .id = "networkInterfaceId",
     .missing = "InvalidNetworkInterfaceID.NotFound",
     .noun = "networkInterface ID",
     .set = "networkInterfaceSet",
     .ids = "NetworkInterfaceId",
     .filters =
         "network-interface-id=networkInterfaceId vpc-id=vpcId subnet-id=subnetId status=status "
         "description=description private-ip-address=privateIpAddress group-id=groupSet.groupId "
         "group-name=groupSet.groupName addresses.private-ip-address=privateIpAddressesSet.privateIpAddress "
         "addresses.primary=privateIpAddressesSet.primary association.public-ip=association.publicIp "
         "addresses.association.public-ip=privateIpAddressesSet.association.publicIp "
         "association.allocation-id=association.allocationId attachment.instance-id=attachment.instanceId "
         "attachment.device-index=attachment.deviceIndex attachment.attachment-id=attachment.attachmentId "
         "attachment.status=attachment.status availability-zone=availabilityZone owner-id=ownerId "
         "interface-type=interfaceType source-dest-check=sourceDestCheck requester-managed=requesterManaged "
         "mac-address=macAddress requester-id=requesterId",
     .label = "privateIpAddress",
     .view = ec2_eni_view},
    {.name = "elastic-ip",
     .prefix = "eipalloc-",
     .id = "allocationId",
     .missing = "InvalidAllocationID.NotFound",
     .noun = "allocation ID",
     .set = "addressesSet",
     .ids = "AllocationId",
     .filters =
         "allocation-id=allocationId association-id=associationId domain=domain instance-id=instanceId "
         "network-interface-id=networkInterfaceId private-ip-address=privateIpAddress public-ip=publicIp",
     .label = "publicIp"},
    {.name = "key-pair",
     .prefix = "key-",
     .id = "keyPairId",
     .missing = "InvalidKeyPair.NotFound",
     .noun = "key pair",
     .set = "keySet",
     .ids = "KeyPairId",
     .filters = "key-name=keyName key-pair-id=keyPairId fingerprint=keyFingerprint",
     .label = "keyName",
     .view = ec2_key_view},
    {.name = "image",
     .prefix = "ami-",
     .id = "imageId",
     .missing = "InvalidAMIID.NotFound",
     .noun = "image id",
     .set = "imagesSet",
     .ids = "ImageId",
     .filters =
         "image-id=imageId name=name state=imageState owner-alias=imageOwnerAlias owner-id=imageOwnerId "
         "product-code=productCodes.productCode product-code.type=productCodes.type "
         "architecture=architecture "
         "root-device-type=rootDeviceType virtualization-type=virtualizationType is-public=isPublic "
         "description=description image-type=imageType",
     .label = "name"},
    {.name = "instance",
     .prefix = "i-",
     .id = "instanceId",
     .missing = "InvalidInstanceID.NotFound",
     .noun = "instance ID",
     .set = "instancesSet",
     .ids = "InstanceId",
     .filters =
         "instance-id=instanceId instance-state-name=instanceState.name "
         "instance-state-code=instanceState.code "
         "vpc-id=vpcId subnet-id=subnetId image-id=imageId instance-type=instanceType key-name=keyName "
         "private-ip-address=privateIpAddress ip-address=ipAddress client-token=clientToken "
         "network-interface.network-interface-id=networkInterfaceSet.networkInterfaceId "
         "network-interface.subnet-id=networkInterfaceSet.subnetId "
         "network-interface.group-id=networkInterfaceSet.groupSet.groupId instance.group-id=groupSet.groupId "
         "private-dns-name=privateDnsName availability-zone=placement.availabilityZone "
         "reservation-id=reservationId product-code=productCodes.productCode",
     .label = "",
     .view = ec2_instance_view,
     .gone = ec2_instance_gone},
    {.name = NULL}};

const struct aws_type *aws_type(const char *name)
{
    const struct aws_type *t = aws_types;
    while (t->name && strcmp(t->name, name) != 0)
        t++;
    return t;
}

static const struct aws_action *const tables[] = {
    aws_vpc_actions,     aws_route_actions,    aws_sg_actions,     aws_eni_actions,
    aws_address_actions, aws_instance_actions, aws_power_actions,  aws_image_actions,
    aws_meta_actions,    aws_type_actions,     aws_prefix_actions, NULL};

const struct aws_service aws_ec2 = {.name = "ec2",
                                    .label = "EC2",
                                    .xmlns = "http://ec2.amazonaws.com/doc/2016-11-15/",
                                    .item = "item",
                                    .tables = tables};
