/** By the words that name a command. */
export const usages = {
  '': `edge-kms COMMAND [options]

  dev        a KMS on this machine
  encrypt    a file of any size, under one key or several
  decrypt    what encrypt, or any AWS Encryption SDK, has made
  rewrap     a file for other keys, without touching what is in it
  doctor     finds out why it does not work, and says what to do

edge-kms COMMAND --help tells the options.`,

  dev: '',

  encrypt: `edge-kms encrypt FILE --key KEY [options]
  FILE               the file to encrypt, or - for standard input
  --key KEY          id, ARN or alias of a KMS key; may be repeated: any one of them opens
  --context K=V      encryption context: public, on record, and needed to decrypt; may be repeated
  --signed           also proves that whoever wrote it could encrypt; the whole is held in memory
  --output FILE      where it goes (FILE.enc; standard output for -)`,

  decrypt: `edge-kms decrypt FILE [options]
  FILE               the file to decrypt, or - for standard input
  --key KEY          opens with these keys alone, by ARN or alias; may be repeated (whichever the file names)
  --context K=V      what its encryption context must have; may be repeated
  --output FILE      where it goes (FILE without .enc; standard output for -)`,

  rewrap: `edge-kms rewrap FILE --to KEY [options]
  FILE               an encrypted file, or - for standard input
  --to KEY           who opens it from then on, and nobody else; may be repeated
  --key KEY          opens with these keys alone, by ARN or alias; may be repeated (whichever the file names)
  --context K=V      what its encryption context must have; may be repeated
  --output FILE      where it goes (FILE itself; standard output for -)`,

  doctor: `edge-kms doctor [options]
  --key KEY          also whether this key may be used`,
} as const

export type CommandName = Exclude<keyof typeof usages, ''>

const common = `
  --force            replaces what is there already
  --endpoint URL     the KMS (AWS_ENDPOINT_URL_KMS, AWS_ENDPOINT_URL, else http://127.0.0.1:8787)
  --region NAME      (AWS_REGION, AWS_DEFAULT_REGION, else us-east-1)
  --json             tells what was done, or what went wrong, in JSON
  --help             this text

It signs with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN (test and test on this machine).
The exit code is 0 where it is done, 1 where it could not be, 2 where the command makes no sense.`

export function usageOf(command: CommandName): string {
  const text = command === 'doctor' ? common.replace(/\n {2}--force.*/, '') : common
  return usages[command] + text
}
