using System.Text.Json.Nodes;

namespace Marrow.Adapters.Converting;

/// <summary>Keys of adapter_config.json that say nothing about the change itself: the task, dropout of further training, keys of later versions.</summary>
/// <param name="PeftType">The peft_type that they belong to.</param>
/// <param name="Keys">Their JSON text.</param>
public sealed record PeftNotes(string PeftType, IReadOnlyDictionary<string, string> Keys)
{
    /// <summary>Puts them into a configuration: all where it is of the same type, else those that it has too.</summary>
    internal void Write(JsonObject fields)
    {
        bool same = (string?)fields["peft_type"] == PeftType;
        foreach ((string key, string raw) in Keys)
        {
            if (same || fields.ContainsKey(key))
                fields[key] = JsonNode.Parse(raw);
        }
    }
}
