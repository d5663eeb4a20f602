using System.CommandLine;
using Marrow.Engine.Generation;
using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Formats.HuggingFace;
using Marrow.Formats.Tokenizers;
using Marrow.Host.CommandLine;
using Marrow.Host.Machines;
using Marrow.Host.Models;

namespace Marrow.Host.Commands;

/// <summary><c>marrow generate</c>: continues a text, a chat or token ids.</summary>
internal static class GenerateCommand
{
    private const int UsualTokens = 128;

    public static CliCommand Create()
    {
        var prompt = new Option<string?>("--prompt") { Description = "Text to continue", HelpName = "text" };
        var chat = new Option<string?>("--chat") { Description = "A user's message, put into the model's chat template", HelpName = "text" };
        var system = new Option<string?>("--system") { Description = "A system message before --chat", HelpName = "text" };
        var tokens = new Option<string?>("--tokens") { Description = "Token ids to continue, as in \"1 2 3\"", HelpName = "ids" };
        var most = new Option<int?>("--max-tokens") { Description = "Most tokens to generate (128, or the model's own default)" };
        var temperature = new Option<double?>("--temperature") { Description = "0 takes the likeliest token; above 0 draws (the model's own default where it has one)" };
        var topK = new Option<int?>("--top-k") { Description = "Draw among this many tokens; 0 for all" };
        var topP = new Option<double?>("--top-p") { Description = "Draw among the likeliest tokens with this much probability together" };
        var penalty = new Option<double?>("--repetition-penalty") { Description = "Makes tokens that have occurred less likely; 1 is none" };
        var seed = new Option<int>("--seed") { Description = "Seed of the draws", DefaultValueFactory = _ => 1 };
        var command = new Command("generate", "Continue a text, a chat or token ids");
        var model = new ModelOptions(command);
        foreach (Option option in new Option[] { prompt, chat, system, tokens, most, temperature, topK, topP, penalty, seed })
            command.Options.Add(option);
        command.Validators.Add(result =>
        {
            int given = new[] { prompt, chat, tokens }.Count(o => result.GetResult(o) is not null);
            if (given != 1)
                result.AddError("Give one of --prompt, --chat and --tokens.");
            if (result.GetResult(system) is not null && result.GetResult(chat) is null)
                result.AddError("--system goes with --chat.");
        });
        seed.Require(value => value >= 0, "--seed must be at least 0.");
        command.SetAction((parse, _) => CommandHost.RunAsync(parse, (context, stopping) =>
        {
            using LoadedModel loaded = LoadedModel.Open(model.Read(parse), context.Get<DeviceOpener>());
            IReadOnlyList<int> ids = parse.GetValue(tokens) is { } given ? TokenList.Parse(given, loaded.Model.VocabularySize)
                : Encode(loaded, parse.GetValue(prompt), parse.GetValue(chat), parse.GetValue(system));
            TokenList.Require(ids, loaded.Model.VocabularySize);
            GenerationConfig? own = loaded.Folder.Generation;
            int room = loaded.Model.MaxPositions - ids.Count;
            var options = new GenerationOptions
            {
                MaxTokens = parse.GetValue(most) ?? Math.Max(1, Math.Min(own?.MaxNewTokens ?? UsualTokens, room)),
                Temperature = parse.GetValue(temperature) ?? (own?.Sample == true ? own.Temperature ?? 1 : 0),
                TopK = (parse.GetValue(topK) ?? (own?.Sample == true ? own.TopK : null)) is { } k and not 0 ? k : null,
                TopP = parse.GetValue(topP) ?? (own?.Sample == true ? own.TopP : null) ?? 1,
                RepetitionPenalty = parse.GetValue(penalty) ?? own?.RepetitionPenalty ?? 1,
                Seed = (ulong)parse.GetValue(seed),
                StopIds = loaded.StopIds,
            };
            Run(context, loaded, ids, options, stopping);
            return Task.FromResult(ExitCode.Done);
        }));
        return new CliCommand(command, "marrow generate --model models/llama --prompt \"Once upon a time\"",
            "marrow generate --model models/llama --adapter runs/first/adapter --chat \"Capital of France?\"", "marrow generate --model models/rwkv7.pth --adapter runs/first/adapter.pth --prompt \"Once upon a time\"",
            "marrow generate --model models/llama --tokens \"1 2 3\" --max-tokens 8");
    }

    private static IReadOnlyList<int> Encode(LoadedModel loaded, string? prompt, string? chat, string? system)
    {
        ModelTokenizer tokenizer = loaded.RequireTokenizer();
        if (chat is null)
            return tokenizer.Tokenizer.Encode(prompt!, addSpecial: true, parseSpecial: false);
        IChatTemplate template = tokenizer.ChatTemplate
            ?? throw new MarrowException("CL004", $"{loaded.Folder.Path}: the model has no chat template; use --prompt");
        List<ChatMessage> messages = system is null ? [] : [new ChatMessage("system", system)];
        messages.Add(new ChatMessage("user", chat));
        return ChatPrompt.Encode(messages, tokenizer.Tokenizer, template);
    }

    private static void Run(CommandContext context, LoadedModel loaded, IReadOnlyList<int> ids, GenerationOptions options, CancellationToken stopping)
    {
        IStreamingDecoder? decoder = loaded.Tokenizer?.Tokenizer.CreateStreamingDecoder(skipSpecial: true);
        TextWriter shown = context.Json ? TextWriter.Null : context.Output;
        var made = new List<int>();
        var text = new System.Text.StringBuilder();
        void Show(string piece)
        {
            text.Append(piece);
            shown.Write(piece);
            shown.Flush();
        }

        long start = TimeProvider.System.GetTimestamp();
        foreach (int id in new Generator(loaded.Model).Generate(ids, options, stopping))
        {
            Show(decoder?.Push(id) ?? FormattableString.Invariant($"{(made.Count == 0 ? "" : " ")}{id}"));
            made.Add(id);
        }
        Show(decoder?.Flush() ?? "");
        shown.WriteLine();
        context.ReportJson(new
        {
            Prompt = ids,
            Tokens = made,
            Text = decoder is null ? null : text.ToString(),
            Stopped = made.Count < options.MaxTokens ? "end" : "max_tokens",
            Seconds = TimeProvider.System.GetElapsedTime(start).TotalSeconds,
            Device = loaded.Use,
        });
    }
}
