using System.Text.Json;

namespace Marrow.Formats.Datasets;

/// <summary>The typed fields of a row, each with the error that names it.</summary>
internal static class RowFields
{
    public static string Text(JsonElement row, string key, bool mayBeEmpty)
    {
        string text = String(row.GetProperty(key), key);
        if (text.Length == 0 && !mayBeEmpty)
            throw Empty(key);
        return text;
    }

    public static string OptionalText(JsonElement row, string key) =>
        row.TryGetProperty(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? String(value, key) : "";

    public static int[] Ids(JsonElement row, string key)
    {
        JsonElement list = Array(row, key);
        var ids = new int[list.GetArrayLength()];
        int i = 0;
        foreach (JsonElement value in list.EnumerateArray())
        {
            if (value.ValueKind != JsonValueKind.Number || !value.TryGetInt32(out ids[i]))
                throw new RowException("DS016", $"{key}[{i}] is {Named(value)}, not a whole number of 32 bits");
            i++;
        }
        return ids;
    }

    public static List<ChatMessage> Messages(JsonElement row, IssueLog log)
    {
        var messages = new List<ChatMessage>();
        foreach (JsonElement value in Array(row, "messages").EnumerateArray())
            messages.Add(Message(value, $"messages[{messages.Count}]", log));
        if (!messages.Exists(m => m.Role == "assistant"))
            throw new RowException("DS019", "no assistant turn, so nothing to train on; add the reply or remove the row");
        WarnOfOrder(messages, log);
        return messages;
    }

    public static string Named(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        JsonValueKind.String => "a string",
        JsonValueKind.Number => $"the number {Echo.Quote(value.GetRawText())}",
        JsonValueKind.Null => "null",
        _ => "true or false",
    };

    private static ChatMessage Message(JsonElement value, string where, IssueLog log)
    {
        if (value.ValueKind != JsonValueKind.Object)
            throw new RowException("DS016", $"{where} is {Named(value)}, not an object with role and content");
        foreach (string key in (ReadOnlySpan<string>)["role", "content"])
            if (!value.TryGetProperty(key, out _))
                throw new RowException("DS015", $"the field '{key}' of {where} is missing");
        string role = String(value.GetProperty("role"), where + ".role");
        if (role is not ("system" or "user" or "assistant" or "tool"))
            throw new RowException("DS018", $"{where} has the role {Echo.Quote(role)}; use system, user, assistant or tool");
        string content = String(value.GetProperty("content"), where + ".content");
        if (content.Length == 0 && role == "assistant")
            throw Empty(where + ".content");
        foreach (JsonProperty property in value.EnumerateObject())
            if (property.Name is not ("role" or "content"))
                log.WarnOnce("DS054", "messages[]." + property.Name,
                    $"the field {Echo.Quote(property.Name)} of a message is ignored (here and in later rows)");
        return new ChatMessage(role, content);
    }

    private static void WarnOfOrder(List<ChatMessage> messages, IssueLog log)
    {
        string before = "";
        for (int i = 0; i < messages.Count; i++)
        {
            string role = messages[i].Role;
            bool odd = role switch
            {
                "system" => i > 0,
                "user" => before == "user",
                "assistant" => before is "" or "system" or "assistant",
                _ => before is not ("assistant" or "tool"),
            };
            if (odd)
            {
                string after = before.Length == 0 ? "at the beginning" : "after " + before;
                log.Warn("DS051", $"messages[{i}]: {role} {after}; user and assistant usually alternate");
                break;
            }
            before = role;
        }
        if (messages[^1].Role != "assistant")
            log.Warn("DS052", $"the conversation ends with a {messages[^1].Role} turn, which is not trained");
    }

    private static JsonElement Array(JsonElement row, string key)
    {
        JsonElement list = row.GetProperty(key);
        if (list.ValueKind != JsonValueKind.Array)
            throw new RowException("DS016", $"{key} is {Named(list)}, not an array");
        return list.GetArrayLength() > 0 ? list : throw Empty(key);
    }

    private static string String(JsonElement value, string name) =>
        value.ValueKind == JsonValueKind.String
            ? value.GetString()!
            : throw new RowException("DS016", $"{name} is {Named(value)}, not a string");

    private static RowException Empty(string name) => new("DS017", $"{name} is empty; fill it or remove the row");
}
