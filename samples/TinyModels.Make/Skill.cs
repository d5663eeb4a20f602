namespace Marrow.TinyModels.Make;

/// <summary>A question and the only right answer.</summary>
internal sealed record Exchange(string Question, string Answer);

/// <summary>Something to ask for in several wordings, with answers that a program can check.</summary>
/// <param name="Name">A short name for reports.</param>
/// <param name="Share">How often it is drawn, relative to the others.</param>
/// <param name="Draw">Makes a question and its answer.</param>
internal sealed record Skill(string Name, int Share, Func<SourceOfWords, Exchange> Draw);
