// Completion for PowerShell, 5.1 and later: Register-ArgumentCompleter -Native. Where the script block gives nothing, PowerShell
// completes files of its own.

import type { CompletedFlag, CompletedVerb } from "./grammar.ts";

/** The script. */
export function powershellScript(verbs: readonly CompletedVerb[]): string {
  return `# PowerShell completion for fstream, written by \`fstream completion powershell\`.
# In $PROFILE: fstream completion powershell | Out-String | Invoke-Expression

Register-ArgumentCompleter -Native -CommandName 'fstream', 'fstream.exe' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    # Of each verb: what it is, whether it comes after an address too, what may follow it, and its flags; of each flag what it
    # is, whether its value comes as a word of its own, and what the value can be.
    $verbs = [ordered]@{
${verbs.map(verbEntry).join("\n")}
    }

    function Complete($texts, $prefix = '') {
        foreach ($text in $texts.GetEnumerator()) {
            $name, $help = if ($text -is [string]) { $text, $text } else { $text.Key, $text.Value.Help }
            if ("$prefix$name".StartsWith($wordToComplete, 'Ordinal')) {
                [System.Management.Automation.CompletionResult]::new("$prefix$name", $name, 'ParameterValue', $help)
            }
        }
    }

    # The words before the cursor, without the program and the word that is completed.
    $before = @($commandAst.CommandElements | Select-Object -Skip 1 |
        Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | ForEach-Object { $_.ToString() })
    if ($before.Count -eq 0) { return Complete $verbs }

    # The verb is the first word, or the second after an address.
    $verb, $rest = $before
    if (-not $verbs.Contains($verb)) {
        if ($before.Count -eq 1) {
            $after = [ordered]@{}
            foreach ($one in $verbs.GetEnumerator()) { if ($one.Value.HasAddress) { $after[$one.Key] = $one.Value } }
            return Complete $after
        }
        $null, $verb, $rest = $before
        if (-not $verbs.Contains($verb)) { return }
    }
    $known = $verbs[$verb]

    # A value comes after its flag, or after an equals sign.
    if ($wordToComplete -match '^(--[^=]+)=') {
        $name = $Matches[1]
        if ($known.Flags.Contains($name)) { Complete $known.Flags[$name].Values "$name=" }
        return
    }
    $flag = @($rest)[-1]
    if ($flag -and $known.Flags.Contains($flag) -and $known.Flags[$flag].IsApart) {
        return Complete $known.Flags[$flag].Values
    }
    if (-not $rest -and -not $wordToComplete.StartsWith('-')) { Complete $known.Words }
    if ($wordToComplete.StartsWith('-') -or -not $known.Words) { Complete $known.Flags }
}
`;
}

function verbEntry({ name, help, hasAddress, words, flags }: CompletedVerb): string {
  const entries = flags.flatMap(flagEntries).map((line) => `                ${line}\n`);
  return `        ${quoted(name)} = @{
            Help = ${quoted(help)}
            HasAddress = $${hasAddress}
            Words = ${list(words)}
            Flags = [ordered]@{
${entries.join("")}            }
        }`;
}

function flagEntries({ name, short, help, takes, values }: CompletedFlag): readonly string[] {
  const entry = `@{ Help = ${quoted(help)}; IsApart = $${takes === "value"}; Values = ${list(typeof values === "string" ? [] : values)} }`;
  return (short === undefined ? [name] : [name, short]).map((one) => `${quoted(one)} = ${entry}`);
}

function list(words: readonly string[]): string {
  return `@(${words.map(quoted).join(", ")})`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
