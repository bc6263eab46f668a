sdk_lab_isthmus_lab_SOURCES += %D%/aws.h %D%/inner.h %D%/aws.c %D%/call.c %D%/permission.c %D%/store.c %D%/types.c %D%/query.c \
	%D%/sigv4.c %D%/token.c %D%/snapshot.c %D%/path.c %D%/cluster.c \
	%D%/ec2.h %D%/ec2_vpc.c %D%/ec2_route.c %D%/ec2_sg.c %D%/ec2_eni.c %D%/ec2_address.c %D%/ec2_instance.c %D%/ec2_power.c \
	%D%/ec2_image.c %D%/ec2_meta.c %D%/ec2_types.c %D%/sts.c %D%/ssm.c %D%/quotas.c %D%/ec2_prefix.c %D%/iam.c %D%/eks.h %D%/eks.c %D%/eks_access.c %D%/eks_create.c %D%/eks_nodes.c %D%/eks_update.c %D%/cfn.h %D%/cfn.c %D%/cfn_changeset.c \
	%D%/cfn_template.c %D%/cfn_yaml.c %D%/cfn_resource.c %D%/cfn_stack.c
