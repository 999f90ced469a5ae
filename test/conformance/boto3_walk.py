"""What a program with boto3 does with every kind of key. Prints a line for each step; fails where AWS would not."""
import hashlib
import sys

import boto3
from botocore.exceptions import ClientError

endpoint, region, key_id, secret = sys.argv[1:]


def client_in(name):
    return boto3.client(
        'kms',
        endpoint_url=endpoint,
        region_name=name,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
    )


kms = client_in(region)
message = b'a message'


def made(**wanted):
    return kms.create_key(**wanted)['KeyMetadata']['KeyId']


def refused(code, call, **given):
    try:
        call(**given)
    except ClientError as error:
        assert error.response['Error']['Code'] == code, error
        assert isinstance(error, getattr(kms.exceptions, code, ClientError))
        return
    raise AssertionError(f'{code} was wanted')


symmetric = made(Tags=[{'TagKey': 'a', 'TagValue': 'ß'}])
context = {'tenant': 'a', 'Über': '🔑'}
blob = kms.encrypt(KeyId=symmetric, Plaintext=message, EncryptionContext=context)['CiphertextBlob']
kms.rotate_key_on_demand(KeyId=symmetric)
assert kms.decrypt(CiphertextBlob=blob, EncryptionContext=context)['Plaintext'] == message
refused('InvalidCiphertextException', kms.decrypt, CiphertextBlob=blob)
assert len(kms.generate_data_key(KeyId=symmetric, KeySpec='AES_256')['Plaintext']) == 32
assert symmetric in [key['KeyId'] for page in kms.get_paginator('list_keys').paginate() for key in page['Keys']]
print('symmetric')

signers = {
    'RSA_2048': ['RSASSA_PSS_SHA_256', 'RSASSA_PKCS1_V1_5_SHA_512'],
    'ECC_NIST_P384': ['ECDSA_SHA_384'],
    'ECC_SECG_P256K1': ['ECDSA_SHA_256'],
    'ECC_NIST_EDWARDS25519': ['ED25519_SHA_512'],
    'ML_DSA_65': ['ML_DSA_SHAKE_256'],
}
for spec, algorithms in signers.items():
    key = made(KeySpec=spec, KeyUsage='SIGN_VERIFY')
    for algorithm in algorithms:
        asked = {'KeyId': key, 'Message': message, 'SigningAlgorithm': algorithm}
        signature = kms.sign(**asked)['Signature']
        assert kms.verify(**asked, Signature=signature)['SignatureValid']
        refused('KMSInvalidSignatureException', kms.verify, **{**asked, 'Message': b'another'}, Signature=signature)
    print(spec)

digest = {'Message': hashlib.sha384(message).digest(), 'MessageType': 'DIGEST', 'SigningAlgorithm': 'ECDSA_SHA_384'}
key = made(KeySpec='ECC_NIST_P384', KeyUsage='SIGN_VERIFY')
kms.verify(
    KeyId=key,
    Message=message,
    SigningAlgorithm='ECDSA_SHA_384',
    Signature=kms.sign(KeyId=key, **digest)['Signature'],
)
print('digest')

mac_key = made(KeySpec='HMAC_384', KeyUsage='GENERATE_VERIFY_MAC')
mac = kms.generate_mac(KeyId=mac_key, Message=message, MacAlgorithm='HMAC_SHA_384')['Mac']
assert kms.verify_mac(KeyId=mac_key, Message=message, MacAlgorithm='HMAC_SHA_384', Mac=mac)['MacValid']
refused('KMSInvalidMacException', kms.verify_mac, KeyId=mac_key, Message=b'x', MacAlgorithm='HMAC_SHA_384', Mac=mac)
print('mac')

alice, bob = [made(KeySpec='ECC_NIST_P256', KeyUsage='KEY_AGREEMENT') for _ in range(2)]
secrets = [
    kms.derive_shared_secret(
        KeyId=own,
        KeyAgreementAlgorithm='ECDH',
        PublicKey=kms.get_public_key(KeyId=other)['PublicKey'],
    )['SharedSecret']
    for own, other in [(alice, bob), (bob, alice)]
]
assert secrets[0] == secrets[1]
print('agreement')

rsa = made(KeySpec='RSA_2048', KeyUsage='ENCRYPT_DECRYPT')
oaep = {'KeyId': rsa, 'EncryptionAlgorithm': 'RSAES_OAEP_SHA_256'}
sealed = kms.encrypt(**oaep, Plaintext=message)['CiphertextBlob']
assert kms.decrypt(**oaep, CiphertextBlob=sealed)['Plaintext'] == message
refused('InvalidKeyUsageException', kms.sign, KeyId=rsa, Message=message, SigningAlgorithm='RSASSA_PSS_SHA_256')
print('RSA encryption')

external = made(Origin='EXTERNAL')
parameters = kms.get_parameters_for_import(
    KeyId=external,
    WrappingAlgorithm='RSAES_OAEP_SHA_256',
    WrappingKeySpec='RSA_3072',
)
refused(
    'InvalidCiphertextException',
    kms.import_key_material,
    KeyId=external,
    ImportToken=parameters['ImportToken'],
    EncryptedKeyMaterial=bytes(384),
    ExpirationModel='KEY_MATERIAL_DOES_NOT_EXPIRE',
)
assert kms.describe_key(KeyId=external)['KeyMetadata']['KeyState'] == 'PendingImport'
print('import')

elsewhere = 'eu-west-1' if region != 'eu-west-1' else 'us-east-1'
primary = made(MultiRegion=True)
kms.replicate_key(KeyId=primary, ReplicaRegion=elsewhere)
blob = kms.encrypt(KeyId=primary, Plaintext=message)['CiphertextBlob']
assert client_in(elsewhere).decrypt(CiphertextBlob=blob)['Plaintext'] == message
print('two Regions')
